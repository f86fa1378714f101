// JSON Web Tokens (RFC 7519) by jsonwebtoken. It is loaded with the first one: its sixty files are a tenth of what the
// programs take to start, and most runs of a peer verify none.
import { createRequire } from 'node:module';

type JsonWebToken = typeof import('jsonwebtoken');

let loaded: JsonWebToken | undefined;

/** The library: `jwt().sign(…)`, `jwt().verify(…)`. */
export function jwt(): JsonWebToken {
  loaded ??= createRequire(import.meta.url)('jsonwebtoken') as JsonWebToken;
  return loaded;
}
