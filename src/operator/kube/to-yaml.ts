/** Objects as kubectl writes them; the library is Kubernetes' own client's. */
export { dumpYaml as toYaml } from '@kubernetes/client-node';
