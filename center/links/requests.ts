// Requests for an address that wait for the next login of whoever is asked.
import type { AccountRecord, Store } from '../store/store.ts';

/** The accounts among `askers` that this one is to hear of: a block may be younger than what they asked. */
export async function askersOf(
  account: number,
  askers: readonly number[],
  store: Pick<Store, 'account' | 'blocks'>,
): Promise<AccountRecord[]> {
  if (askers.length === 0) return [];
  const own = await store.blocks(account);
  const heard = await Promise.all(
    askers.map(async (asker) => {
      if (own.includes(asker) || (await store.blocks(asker)).includes(account)) return null;
      return await store.account(asker);
    }),
  );
  return heard.filter((asker) => asker !== null);
}
