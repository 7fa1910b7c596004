import { BlockList } from 'node:net';
import type { KubeObject } from '../../lab/kubernetes/test-api.ts';

/** Somebody whom a pod may want to speak with. */
export interface Peer {
  readonly namespaceLabels?: Readonly<Record<string, string>>;
  readonly podLabels?: Readonly<Record<string, string>>;
  /** Where it is no pod, or one in the network of its node. */
  readonly address?: string;
}

/**
 * Whether a NetworkPolicy lets its pods speak with a peer at a port, as a network that enforces it
 * would decide.
 *
 * Source: kubernetes.io/docs/concepts/services-networking/network-policies.
 */
export function letsOut(policy: KubeObject, peer: Peer, protocol: 'TCP' | 'UDP', port: number): boolean {
  return policy.spec.egress.some(({ to, ports }: KubeObject) => {
    const isPort = ports.some((each: KubeObject) => each.protocol === protocol && each.port === port);
    return isPort && (to === undefined || to.some((each: KubeObject) => matches(each, peer)));
  });
}

function matches({ ipBlock, namespaceSelector, podSelector }: KubeObject, peer: Peer): boolean {
  if (ipBlock !== undefined) {
    const [network, prefix] = ipBlock.cidr.split('/');
    const block = new BlockList();
    block.addSubnet(network, Number(prefix));
    return peer.address !== undefined && block.check(peer.address);
  }
  return (
    peer.address === undefined &&
    hasLabels(peer.namespaceLabels, namespaceSelector?.matchLabels) &&
    hasLabels(peer.podLabels, podSelector?.matchLabels)
  );
}

function hasLabels(
  labels: Peer['namespaceLabels'] = {},
  wanted: Readonly<Record<string, string>> = {},
): boolean {
  return Object.entries(wanted).every(([key, value]) => labels[key] === value);
}
