/** Where krew finds the plugin's archive, and by what it knows it. */
export interface PluginArchive {
  readonly version: string;
  readonly url: string;
  readonly sha256: string;
  /** What of it is installed; the plugin itself is the first. */
  readonly files: readonly string[];
}

/** The plugin is JavaScript: there is one archive for all of them. */
const PLATFORMS = ['linux', 'darwin'].flatMap((os) => ['amd64', 'arm64'].map((arch) => ({ os, arch })));

/** By which krew installs the kubectl plugin. */
export function krewManifest({ version, url, sha256, files }: PluginArchive): object {
  return {
    apiVersion: 'krew.googlecontainertools.github.com/v1alpha2',
    kind: 'Plugin',
    metadata: { name: 'glanceschema' },
    spec: {
      version: `v${version}`,
      shortDescription: 'Show GlanceSchemas and steer them',
      description:
        'Shows where the database of OpenStack Glance is and what is wrong with it, waits for its migrations, and has them tried again, with the rights of your own kubeconfig.',
      caveats: 'It needs Node.js 24 or newer on your PATH.',
      platforms: PLATFORMS.map((matchLabels) => ({
        selector: { matchLabels },
        uri: url,
        sha256,
        bin: files[0],
        files: files.map((from) => ({ from, to: '.' })),
      })),
    },
  };
}
