import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { expect } from 'chai';
import { ParleyError } from '../../../shared/errors.ts';
import { join, Side } from '../../helpers/pairings.ts';
import { until } from '../../helpers/until.ts';

const one = { account: 1, key: 'SHA256:one' };
const two = { account: 2, key: 'SHA256:two' };

describe('private messages and the runs of the peers', () => {
  let dir: string;
  let sides: Side[];

  beforeEach(() => {
    dir = mkdtempSync(joinPath(tmpdir(), 'parley-runs-'));
    sides = [];
  });

  afterEach(() => {
    for (const side of sides) side.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const path = (name: string): string => joinPath(dir, name);

  function start(self: typeof one, other: typeof one, name: string): Side {
    const side = new Side(self, other, path(name));
    sides.push(side);
    side.introduced();
    return side;
  }

  /** What a kill -9 at this moment would leave of a history, under another name. */
  function copy(from: string, to: string): void {
    for (const suffix of ['', '-wal']) {
      if (existsSync(path(from) + suffix)) copyFileSync(path(from) + suffix, path(to) + suffix);
    }
  }

  it('go onto the link and are shown before the disk has them', async () => {
    const [seas, google] = [start(one, two, 'seas'), start(two, one, 'google')];
    join([seas, google], seas);
    await until(() => seas.pairing.flow.isReady && google.pairing.flow.isReady, 'a link');
    seas.send('Hello.');
    let isShownBefore = false;
    google.store.beforeCommit(() => {
      isShownBefore ||= google.shown.length > 0 && seas.stored.length === 0;
    });
    await until(() => seas.stored.length === 1, 'a receipt');
    expect(google.shown).to.deep.equal(['Hello.']);
    expect(isShownBefore).to.equal(true);
  });

  it('that a killed peer has forgotten do not take the numbers of later ones', async () => {
    const [seas, google] = [start(one, two, 'seas'), start(two, one, 'google')];
    join([seas, google], seas);
    await until(() => Boolean(seas.pairing.link && google.pairing.link), 'a link');
    seas.send('kept');
    await until(() => seas.stored.length === 1, 'a receipt');
    // Sent and shown, but killed before the commit.
    copy('seas', 'killed');
    seas.send('forgotten');
    await until(() => google.shown.length === 2, 'the second message');
    seas.pairing.close(new ParleyError('logged_out', 'It is gone.'));
    google.introduced();
    const again = start(one, two, 'killed');
    again.send('said after the start');
    join([again, google], again);
    // That the first one is stored may be forgotten as well.
    await until(() => again.privateStore.allPending().length === 0, 'all receipts');
    expect(google.shown).to.deep.equal(['kept', 'forgotten', 'said after the start']);
  });

  it('are marked where an earlier run may have shown them', async () => {
    const [seas, google] = [start(one, two, 'seas'), start(two, one, 'google')];
    copy('google', 'killed');
    const cable = join([seas, google], seas, {
      delay: (from) => (google.shown.length > 0 && from === google ? 1e6 : 0),
    });
    await until(() => seas.pairing.flow.isReady && google.pairing.flow.isReady, 'a link');
    seas.send('Hello.');
    await until(() => google.shown.length === 1, 'the message');
    cable.cut();
    await until(() => !seas.pairing.link, 'the end of the link');
    seas.send('never sent before');
    const next = start(two, one, 'killed');
    join([seas, next], seas);
    await until(() => seas.stored.length === 2, 'two receipts');
    expect(next.shown).to.deep.equal(['(again) Hello.', 'never sent before']);
  });

  it('are not marked where they were only lost on the way', async () => {
    const [seas, google] = [start(one, two, 'seas'), start(two, one, 'google')];
    let isCut = false;
    const cable = join([seas, google], seas, { delay: () => (isCut ? 1e6 : 0) });
    await until(() => seas.pairing.flow.isReady && google.pairing.flow.isReady, 'a link');
    isCut = true;
    seas.send('Hello.');
    cable.cut();
    await until(() => !seas.pairing.link && !google.pairing.link, 'the end of the link');
    join([seas, google], seas);
    await until(() => seas.stored.length === 1, 'a receipt');
    expect(google.shown).to.deep.equal(['Hello.']);
  });
});
