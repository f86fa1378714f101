// What a session is called (the jti of its tokens): something random, and which login it began with, so that whoever comes
// back with the token of an earlier one can be told whether that was displaced or ended in another way.
import { randomBytes } from 'node:crypto';

const randomPartBytes = 16;
const shape = /^[\w-]+\.([0-9]{1,15})\.([0-9]{1,15})$/;

/** A login of an account, by its generation. */
export interface Login {
  generation: number;
  /** From that login on, each has displaced the one before: nothing else has ended a session since. */
  since: number;
}

/** A new name for a session of this login; null: one that tells nothing. */
export function nameSession(login: Login | null): string {
  const random = randomBytes(randomPartBytes).toString('base64url');
  return login === null ? random : `${random}.${login.generation}.${login.since}`;
}

/** null where it tells nothing. */
export function loginOf(jti: string): Login | null {
  const [, generation, since] = shape.exec(jti) ?? [];
  return generation === undefined ? null : { generation: Number(generation), since: Number(since) };
}

/** The login that comes after that of the live session, if there is one. */
export function nextLogin(generation: number, live: string | null): Login {
  const since = live === null ? undefined : loginOf(live)?.since;
  return { generation: generation + 1, since: since ?? generation + 1 };
}

/** True if the live session, or one that it displaced, has displaced the earlier one. */
export function hasDisplaced(live: string, earlier: string): boolean {
  const [now, then] = [loginOf(live), loginOf(earlier)];
  return now !== null && then !== null && then.generation >= now.since && then.generation < now.generation;
}
