// What every store must do. An engine passes this suite or is not one: call storeConformance() with a way to open it.
import type { Store } from '../../../center/store/store.ts';
import { accountConformance } from './conformance-accounts.ts';
import { centerConformance } from './conformance-center.ts';
import { consentConformance } from './conformance-consents.ts';
import { mailboxConformance } from './conformance-mailboxes.ts';

/** One place where an engine keeps data. */
export interface StorePlace {
  /** A store on what is there: nothing at first, later what the store before has left. One is open at a time. */
  open(): Promise<Store>;
  /** Called when all stores are closed. */
  remove(): Promise<void>;
}

/** What the parts of the suite work with. */
export interface StoreUnderTest {
  readonly store: Store;
  /** Closes the store and opens it again. */
  reopen(): Promise<void>;
}

/** @param makePlace gives an empty place for each test */
export function storeConformance(name: string, makePlace: () => Promise<StorePlace>): void {
  describe(`${name} does what a store must`, () => {
    let place: StorePlace;
    let store: Store;
    const test: StoreUnderTest = {
      get store() {
        return store;
      },
      async reopen() {
        await store.close();
        store = await place.open();
      },
    };

    beforeEach(async () => {
      place = await makePlace();
      store = await place.open();
    });
    afterEach(async () => {
      await store.close();
      await place.remove();
    });

    accountConformance(test);
    consentConformance(test);
    mailboxConformance(test);
    centerConformance(test);

    it('refuses acts once it is closed, and closes once', async () => {
      const asked = store.saveTime(5);
      const closed = store.close();
      await asked;
      await Promise.all([closed, store.close()]);
      const refused = await store.time().catch((error: unknown) => error);
      if (!(refused instanceof Error)) throw new Error('a closed store has answered');
    });
  });
}

/** Makes open accounts with these ids, named a1, a2, … */
/** An account of makeAccounts as it is judged before a login. */
export function judged(id: number, generation = 0): Parameters<Store['claimSession']>[0] {
  return { id, generation, passwordHash: `hash ${id}`, bannedUntilMs: null };
}

export async function makeAccounts(store: Store, ...ids: number[]): Promise<void> {
  await Promise.all(
    ids.map((id) => store.createAccount({ id, name: `a${id}`, passwordHash: `hash ${id}`, createdAtMs: 1 })),
  );
}
