// Verification of a link: both sides commit to a nonce before either shows it, so that nobody between them can choose
// keys that give the same digits (as ZRTP does, RFC 6189, 4.4).
import { createHash, randomBytes } from 'node:crypto';
import { ParleyError } from '../../shared/errors.ts';
import { sameBytes } from '../../shared/identity.ts';
import type { Introduced } from './introduction.ts';
import type { Link } from './link.ts';

const nonceBytes = 32;
const digits = 6;

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}

/** The SHA-256 that a fingerprint shows. */
function hashOf(fingerprint: string): Buffer {
  return Buffer.from(fingerprint.slice('SHA256:'.length), 'base64');
}

/** What both sides see: the same only where nonces, keys and the TLS session are. */
export function verificationDigits(
  one: Introduced & { nonce: Uint8Array },
  other: Introduced & { nonce: Uint8Array },
  exporter: Uint8Array,
): string {
  const [small, large] = one.account < other.account ? [one, other] : [other, one];
  const label = Buffer.from('parley verify 1\0');
  const parts = [label, small.nonce, large.nonce, hashOf(small.key), hashOf(large.key), exporter];
  const number = sha256(Buffer.concat(parts)).readUIntBE(0, 6) % 10 ** digits;
  return String(number).padStart(digits, '0');
}

/** One run on one link. */
export class Verification {
  readonly #link: Link;
  readonly #self: Introduced;
  readonly #other: Introduced;
  readonly #onDigits: (digits: string) => void;
  readonly #nonce = randomBytes(nonceBytes);
  #otherHash: Uint8Array | null = null;
  #isCommitted = false;
  /** The user of this side asked for it. */
  #isBegun = false;

  constructor(link: Link, self: Introduced, other: Introduced, onDigits: (digits: string) => void) {
    this.#link = link;
    this.#self = self;
    this.#other = other;
    this.#onDigits = onDigits;
  }

  /** The other side has committed: a further commit of it begins another run. */
  get isAnswered(): boolean {
    return this.#otherHash !== null;
  }

  start(): void {
    this.#isBegun = true;
    this.#commit();
  }

  #commit(): void {
    if (this.#isCommitted) return;
    this.#isCommitted = true;
    this.#link.commit(sha256(this.#nonce));
    if (this.#otherHash) this.#link.reveal(this.#nonce);
  }

  /** The other side's frames, in the order in which they must come. Throws bad_signature where its nonce is not the one it committed to. */
  take(frame: { commit: Uint8Array } | { reveal: Uint8Array }): void {
    if ('commit' in frame) {
      this.#otherHash = Uint8Array.from(frame.commit);
      if (this.#isCommitted) this.#link.reveal(this.#nonce);
      else this.#commit();
      return;
    }
    if (!this.#otherHash || !sameBytes(sha256(frame.reveal), this.#otherHash)) {
      throw new ParleyError('bad_signature', 'The other side did not keep to what it had committed to.');
    }
    const { exporter } = this.#link.channel;
    const nonce = Uint8Array.from(frame.reveal);
    const self = { ...this.#self, nonce: this.#nonce };
    const shown = verificationDigits(self, { ...this.#other, nonce }, exporter);
    // Whoever asked may leave when it has them: by then the other side must have them, too.
    if (this.#isBegun) this.#link.onceTaken(() => this.#onDigits(shown));
    else this.#onDigits(shown);
  }
}
