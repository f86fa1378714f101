// What is remembered of pairs and accounts: of so many, then the oldest is forgotten.

const maxRemembered = 10_000;

/** Makes it the newest of the map. Returns what is forgotten for it, if anything. */
export function remember<Key, Value>(map: Map<Key, Value>, key: Key, value: Value): Value | undefined {
  map.delete(key);
  map.set(key, value);
  if (map.size <= maxRemembered) return undefined;
  const [oldest] = map;
  if (oldest) map.delete(oldest[0]);
  return oldest?.[1];
}

/** The name of the two, whoever comes first. */
export function pairOf(one: number, other: number): string {
  return `${Math.min(one, other)}:${Math.max(one, other)}`;
}
