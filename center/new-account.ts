// Making an account: its id, and its name, which nobody else may have.
import { randomInt } from 'node:crypto';
import { ParleyError } from '../shared/errors.ts';
import type { Clock } from './clock.ts';
import type { AccountRecord, Store } from './store/store.ts';

/** New ids tried until one is free. */
const maxIds = 4;
const leastAccountId = 2 ** 32;
const endOfAccountIds = 2 ** 48;

export interface AccountMaking {
  store: Store;
  clock: Clock;
  /** Random unless given. */
  newAccountId?: () => number;
}

/** Makes an account under a new id. Throws name_taken; invite_needed where the invite given is not good. */
export async function createAccount(
  { store, clock, newAccountId = randomAccountId }: AccountMaking,
  account: { name: string; passwordHash: string; invite?: string },
): Promise<AccountRecord> {
  for (let tries = 0; tries < maxIds; tries += 1) {
    const id = newAccountId();
    // `taken` is said of ids as well as of names, and a record that is there already must not be taken for a new one.
    if ((await store.account(id)) !== null) continue;
    const outcome = await store.createAccount({ id, createdAtMs: clock.now(), ...account });
    if (outcome === 'bad_invite')
      throw new ParleyError('invite_needed', 'The invite is not valid, used up or expired.');
    const made = outcome === 'created' ? await store.account(id) : null;
    if (made !== null) return made;
    if ((await store.accountNamed(account.name)) !== null) break;
  }
  throw nameTaken(account.name);
}

/** In [2^32, 2^48): never mistaken for a count, and exact as a number everywhere. */
function randomAccountId(): number {
  // crypto.randomInt takes ranges below 2^48.
  return randomInt(leastAccountId, endOfAccountIds);
}

export function nameTaken(name: string): ParleyError {
  return new ParleyError('name_taken', `The name ${name} is taken.`);
}
