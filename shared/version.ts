// The versions of the protocol that this program speaks, and its own name.
import { createRequire } from 'node:module';

export const newestVersion = 1;
export const oldestVersion = 1;
/** RFC 7301. */
export const alpnProtocol = 'parley/1';
/** Of links between peers. */
export const linkAlpnProtocol = 'parley-link/1';

// Sources lie one folder below package.json, what is built of them two.
const require = createRequire(import.meta.url);

function packageVersion(): string {
  for (const path of ['../package.json', '../../package.json']) {
    try {
      const found = require(path) as { name?: string; version?: string };
      if (found.name === 'parley-chat' && found.version) return found.version;
    } catch {
      // The other place.
    }
  }
  return '0.0.0';
}

export const version = packageVersion();
export const software = `parley-chat/${version}`;
