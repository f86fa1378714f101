// First in, first out, at constant cost.

const compactAt = 1024;

export class Queue<Item> {
  /** null until the first item comes: many queues never have one. */
  #items: Item[] | null = null;
  #head = 0;

  get length(): number {
    return this.#items === null ? 0 : this.#items.length - this.#head;
  }

  push(item: Item): void {
    if (this.#items === null) this.#items = [item];
    else this.#items.push(item);
  }

  peek(): Item | undefined {
    return this.#items?.[this.#head];
  }

  /** The item at this place, counted from the head. */
  at(index: number): Item | undefined {
    return this.#items?.[this.#head + index];
  }

  shift(): Item | undefined {
    const items = this.#items;
    const item = items?.[this.#head];
    if (items === null || item === undefined) return undefined;
    this.#head++;
    if (this.#head === items.length) this.clear();
    else if (this.#head >= compactAt && this.#head * 2 >= items.length) {
      this.#items = items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  /** Puts these before all others, in their order. */
  unshift(items: Item[]): void {
    if (items.length === 0) return;
    this.#items = [...items, ...this];
    this.#head = 0;
  }

  clear(): void {
    // A long array keeps its memory when its length is set: let it go.
    if (this.#items && this.#items.length <= compactAt) this.#items.length = 0;
    else this.#items = null;
    this.#head = 0;
  }

  *[Symbol.iterator](): IterableIterator<Item> {
    const items = this.#items ?? [];
    for (let i = this.#head; i < items.length; i++) yield items[i]!;
  }
}
