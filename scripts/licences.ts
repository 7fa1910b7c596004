import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Metafile } from 'esbuild';

/**
 * The licences of all packages that bundles are made of, with their texts, as those ask whoever
 * hands them on.
 */
export function thirdPartyLicences(root: string, metafiles: readonly Metafile[]): string {
  const folders = new Set(
    metafiles.flatMap(({ inputs }) => Object.keys(inputs).flatMap((path) => packageFolder(root, path) ?? [])),
  );
  const packages = [...folders].map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
    const texts = readdirSync(join(root, folder))
      .filter((file) => /^(licen[cs]e|copying|notice)/i.test(file))
      .sort()
      .map((file) => readFileSync(join(root, folder, file), 'utf8').trim());
    return { title: `${name} ${version}: ${license}`, texts };
  });
  const rule = '-'.repeat(80);
  const parts = packages
    .sort((one, other) => one.title.localeCompare(other.title, 'en'))
    .map(({ title, texts }) => [rule, title, rule, ...texts].join('\n\n'));
  return `glance-schema is made of these packages, under their own licences.\n\n${parts.join('\n\n')}\n`;
}

/** The folder of the package that a file of node_modules is of; undefined for our own files. */
function packageFolder(root: string, path: string): string | undefined {
  const [, folder] = /^(?:.*:)?(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path) ?? [];
  return folder !== undefined && existsSync(join(root, folder, 'package.json')) ? folder : undefined;
}
