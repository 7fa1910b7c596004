import type { Engine } from '../../glance/steps.ts';
import { Failure } from '../errors/failure.ts';
import { TLS_MODES, type TlsMode, type TlsOptions } from './target.ts';
import { unusable } from './url-query.ts';

/**
 * Reads a mode of TLS as a user writes it.
 *
 * @throws Failure `Usage` for one of the command line, `ConnectionInvalid` for one of a URL
 */
export function parseTlsMode(text: string, option: string): TlsMode {
  const mode = TLS_MODES.find((candidate) => candidate === text);
  if (mode === undefined) {
    const found = `found ${option}='${text}'. Write one of ${TLS_MODES.join(', ')}.`;
    throw option.startsWith('--')
      ? new Failure('Usage', `Cannot read the command line: ${found}`)
      : unusable(found);
  }
  return mode;
}

/** What messages call a setting that overrides those of the URL. */
export function tlsSetting(
  { fromGlanceSchema }: Pick<TlsOptions, 'fromGlanceSchema'>,
  name: 'ca' | 'mode',
): string {
  if (fromGlanceSchema === true) {
    return name === 'ca' ? 'spec.database.tls.caSecretRef' : 'spec.database.tls.mode';
  }
  return `--tls-${name}`;
}

/**
 * Refuses what would verify next to nothing: without an authority of one's own, or with all that
 * the machine trusts, any certificate that can be bought has a valid chain, so that only the name
 * distinguishes the server from another.
 *
 * @throws Failure `ConnectionInvalid`
 */
export function checkTls(tls: TlsOptions, engine: Engine): void {
  const option = engine === 'postgres' ? 'sslrootcert' : 'ssl_ca';
  const hasAuthority = (tls.ca !== undefined && tls.ca !== 'system') || tls.caFolder !== undefined;
  if (tls.mode === 'verify-ca' && !hasAuthority) {
    throw unusable(
      `found the TLS mode 'verify-ca' with no authority of its own, by which any certificate that can be bought would do. Set ${option} or ${tlsSetting(tls, 'ca')} to the file of the server's authority, or set the mode verify-full.`,
    );
  }
  if (tls.ca === 'system' && tls.mode !== 'verify-full') {
    throw unusable(
      `found ${option}=system with the TLS mode '${tls.mode}', which would not verify the name. Set the mode verify-full.`,
    );
  }
}
