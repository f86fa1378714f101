// Why another account may not be linked with any more, or not now: in a code for programs and in words for people.
import { type ErrorCode, knownCode } from '../../shared/errors.ts';
import type { Introduction } from './introduction.ts';

/** The center's clock and this one differ by less: what ends so shortly before its time has run out. */
const clockSlackMs = 5_000;

/** Ends of a session, not of the consent: a link comes up again when the other one is back. */
const awayWords: Partial<Record<ErrorCode, string>> = {
  displaced: 'has logged in elsewhere',
  password_changed: 'has changed the password',
  logged_out: 'has logged out',
};

/** What a peer may say at the end of a link of the consent: it is over, until the next introduction. */
const consentEnds = ['revoked', 'blocked', 'expired'] as const;

export function isConsentEnd(code: string): code is (typeof consentEnds)[number] {
  return consentEnds.some((end) => end === code);
}

export interface Ending {
  code: ErrorCode;
  /** The user has ended it here. */
  own: boolean;
  /** What the other one has done that does not touch the consent (`has logged out`); null where the consent is over. */
  away: string | null;
  /** A sentence. */
  reason: string;
}

export interface End {
  name: string;
  /** As the center or the other peer told it; newer ones may use codes of their own. */
  code: string;
  own: boolean;
  /** The last one, if there was any. */
  introduction: Introduction | null;
  /** The center's time. */
  nowMs: number;
}

export function endingOf({ name, code: told, own, introduction, nowMs }: End): Ending {
  const hasRunOut = introduction !== null && introduction.consentUntilMs - nowMs < clockSlackMs;
  const code = told === 'revoked' && !own && hasRunOut ? 'expired' : knownCode(told);
  const away = awayWords[code] ?? null;
  const ending = { code, own, away: null };
  if (away !== null && !introduction?.once) return { code, own, away, reason: `${name} ${away}.` };
  if (away !== null) return { ...ending, reason: `The consent was for once, and ${name} ${away}.` };
  switch (code) {
    case 'revoked':
      return { ...ending, reason: own ? 'You revoked the consent.' : `The consent was revoked by ${name}.` };
    case 'blocked':
      return { ...ending, reason: own ? `You blocked ${name}.` : 'One of you has blocked the other.' };
    case 'expired':
      return { ...ending, reason: 'The time of the consent is over.' };
    case 'banned':
      return { ...ending, reason: `${name} is banned.` };
    case 'account_deleted':
      return { ...ending, reason: `The account ${name} is deleted.` };
    default:
      return { ...ending, reason: 'The consent has ended.' };
  }
}
