// Which center is at which address: pinned at first contact, as SSH does, in `known_centers`, a line each:
// `host:port center-id fingerprint`.
import { join } from 'node:path';
import { ParleyError } from '../shared/errors.ts';
import { fingerprint } from '../shared/identity.ts';
import { makePeerDirectory } from './account-files.ts';
import { appendLine, readFileIfAny } from './files.ts';

interface Pin {
  address: string;
  centerId: string;
  fingerprint: string;
  /** In the file, from 1. */
  line: number;
}

export class KnownCenters {
  readonly #dataDir: string;
  readonly #path: string;

  constructor(dataDir: string) {
    this.#dataDir = dataDir;
    this.#path = join(dataDir, 'known_centers');
  }

  /**
   * Checks a center that has proved its identity key, and pins it at first contact.
   * @param expected the fingerprint that the user gave, which a first contact must have
   * @returns `first` if it is pinned now, else `known`
   * @throws ParleyError center_changed, whose text says both fingerprints and what to do
   */
  check(
    host: string,
    port: number,
    center: { centerId: Uint8Array; identityKey: Uint8Array },
    expected?: string,
  ): 'first' | 'known' {
    const address = centerAddress(host, port);
    const now = {
      centerId: Buffer.from(center.centerId).toString('hex'),
      fingerprint: fingerprint(center.identityKey),
    };
    if (expected !== undefined && normalFingerprint(expected) !== now.fingerprint) {
      throw new ParleyError(
        'center_changed',
        `The center at ${address} does not have the fingerprint asked for.\n` +
          `Asked for: ${normalFingerprint(expected)}\nIt shows:  ${now.fingerprint}\n` +
          `Nothing was sent to it. Ask its operator for the right fingerprint.`,
      );
    }
    const pins = this.#read().filter((known) => known.address === address);
    if (pins.length === 0) {
      makePeerDirectory(this.#dataDir);
      appendLine(this.#path, `${address} ${now.centerId} ${now.fingerprint}`);
      return 'first';
    }
    // Two peers that meet a center at the same moment both write a line.
    for (const pin of pins) {
      if (pin.fingerprint !== now.fingerprint || pin.centerId !== now.centerId) throw this.#changed(pin, pins, now);
    }
    return 'known';
  }

  #changed(pin: Pin, pins: Pin[], now: { centerId: string; fingerprint: string }): ParleyError {
    const what = pin.fingerprint === now.fingerprint ? 'id' : 'key';
    const lines = `${pins.length > 1 ? 'lines' : 'line'} ${pins.map(({ line }) => line).join(', ')}`;
    const ids = what === 'id' ? `\nPinned id: ${pin.centerId}\nIt shows:  ${now.centerId}` : '';
    return new ParleyError(
      'center_changed',
      `The center at ${pin.address} has another ${what} than before: it was set up anew, or somebody is in between.\n` +
        `Pinned:    ${pin.fingerprint}\nIt shows:  ${now.fingerprint}${ids}\n` +
        `Nothing was sent to it. If its operator confirms the change, remove ${lines} of ${this.#path} and ` +
        `connect again.`,
    );
  }

  #read(): Pin[] {
    const text = readFileIfAny(this.#path) ?? '';
    const pins: Pin[] = [];
    for (const [index, line] of text.split('\n').entries()) {
      const trimmed = line.trim();
      if (trimmed === '' || trimmed.startsWith('#')) continue;
      const [, address, centerId, print] = /^(\S+) ([0-9a-f]+) (SHA256:\S+)$/.exec(trimmed) ?? [];
      if (address === undefined || centerId === undefined || print === undefined) {
        // To skip it would be to trust whoever is there now.
        throw new ParleyError('bad_data', `Line ${index + 1} of ${this.#path} cannot be read. Repair or remove it.`);
      }
      pins.push({ address, centerId, fingerprint: print, line: index + 1 });
    }
    return pins;
  }
}

/** `host:port`, IPv6 in brackets, names in lower case. */
export function centerAddress(host: string, port: number): string {
  const name = host.toLowerCase();
  return name.includes(':') ? `[${name}]:${port}` : `${name}:${port}`;
}

/** With or without `SHA256:` and padding. */
function normalFingerprint(text: string): string {
  return `SHA256:${text
    .trim()
    .replace(/^SHA256:/i, '')
    .replace(/=+$/, '')}`;
}
