/**
 * What a GlanceSchema may set in the container of its migration and on its pod. The image is often
 * the operator's own, where others have said so by a policy: then a variable or an annotation must
 * not be a way to run other code in it, to lead the connection elsewhere, or to loosen its
 * confinement. Variables are an allow-list, as no list can name all that Node, OpenSSL, the loader,
 * the resolver and the C library read. Each is a regular expression that JavaScript and CEL read
 * the same way.
 */

/** Names of variables that may be set: proxies, time zone, locale. */
export const ALLOWED_VARIABLES = '^(TZ|LANG|LC_[A-Z]+|(HTTP|HTTPS|ALL|NO)_PROXY|(http|https|all|no)_proxy)$';

/** Those of them whose value may come from a ConfigMap or a Secret, as a proxy's password does. */
export const PROXY_VARIABLES = '^((HTTP|HTTPS|ALL|NO)_PROXY|(http|https|all|no)_proxy)$';

/** A proxy or a list of hosts: one line, and no reference to another variable. */
export const PROXY_VALUE = '^[!-#%-~]*$';

/**
 * A time zone or a locale by its name, such as `Europe/Berlin` or `C.UTF-8`: the C library reads
 * other values as paths of files.
 */
export const PLAIN_VALUE = '^([A-Za-z0-9]([-A-Za-z0-9_+,@/]|[.][-A-Za-z0-9_+,@/])*)?$';

/**
 * Names of annotations by which the API server, a kubelet or a container runtime gives a pod
 * another confinement, devices or a hypervisor of its own. What other programs make of annotations
 * is theirs to bound.
 *
 * Source: kubernetes.io/docs/reference/labels-annotations-taints; the annotations of CRI-O,
 * containerd, Kata and CDI.
 */
export const CONFINEMENT_ANNOTATIONS =
  '^(container[.]|)(apparmor|seccomp)[.]security[.](alpha|beta)[.]kubernetes[.]io|^io[.](kubernetes[.]cri-o|containerd|katacontainers)[.]|^cdi[.]k8s[.]io/|^kubernetes[.]io/config[.]';

interface Variable {
  readonly name: string;
  readonly value?: string | undefined;
  readonly valueFrom?: { readonly secretKeyRef?: unknown; readonly configMapKeyRef?: unknown } | undefined;
}

/**
 * Whether a variable may be set. The API server has refused others; but a CRD can be older than the
 * operator.
 */
export function isAllowedVariable({ name, value = '', valueFrom }: Variable): boolean {
  if (!new RegExp(ALLOWED_VARIABLES).test(name)) {
    return false;
  }
  const isProxy = new RegExp(PROXY_VARIABLES).test(name);
  return valueFrom === undefined
    ? new RegExp(isProxy ? PROXY_VALUE : PLAIN_VALUE).test(value)
    : isProxy && (valueFrom.secretKeyRef === undefined) !== (valueFrom.configMapKeyRef === undefined);
}

/** Whether an annotation may be put on the pod. */
export function isAllowedAnnotation(name: string): boolean {
  return !new RegExp(CONFINEMENT_ANNOTATIONS).test(name);
}
