// A disk that fails to keep what was written: the center stops rather than guess, and what it accepted is there.
import { join } from 'node:path';
import { expect } from 'chai';
import { Faults, skipWithoutFaults } from '../../helpers/faults.ts';
import { program, Running, temporaryDirectory } from '../../helpers/programs.ts';
import { bodyOf, command, connect, type MachineCenter, readNumbers, startCenter } from './machine.ts';

const accepted = 200;

describe('a center whose disk fails at fsync', function () {
  this.timeout(60_000);
  const directory = temporaryDirectory();
  const dataDir = join(directory.path, 'data');
  let faults: Faults | null = null;
  let center: MachineCenter;

  before(function () {
    skipWithoutFaults(this);
    faults = new Faults(directory.path);
  });

  after(async () => {
    await center?.running.kill();
    faults?.close();
    directory.remove();
  });

  it('stops, says why, and has all that it accepted when it is started again', async () => {
    center = await startCenter(dataDir, [], faults!.env);
    const seas = await (await connect(center)).register('seas');
    await seas.attach();
    const google = await (await connect(center)).register('google');
    google.destroy();
    for (let number = 1; number <= accepted; number++) seas.message(google.account, number, bodyOf(number, 100));
    await seas.isAccepted(google.account, accepted);

    faults!.failFsync(true);
    seas.message(google.account, accepted + 1, bodyOf(accepted + 1, 100));
    expect(await center.running.ended()).to.equal(1);
    expect(center.running.stderr).to.match(/The center cannot go on: .*\(fsync\).*\n.*Start it again\./);
    const told = seas.received.some(({ accepted: one }) => Number(one?.number) > accepted);
    expect(told, 'accepted, and the fsync failed').to.equal(false);

    const refused = new Running([...program('center'), '127.0.0.1', '0', '--data', dataDir], faults!.env);
    expect(await refused.ended()).to.equal(1);
    expect(refused.stderr).to.match(/The center cannot start: .*fsync|The center cannot start: .*I\/O error/);

    faults!.failFsync(false);
    expect(await command('check', '--data', dataDir)).to.include({ code: 0 });
    center = await startCenter(dataDir, [], faults!.env);
    const again = await (await connect(center)).resume(google);
    await again.attach();
    const expected = Array.from({ length: accepted }, (_, index) => index + 1);
    expect(await readNumbers(again, accepted)).to.deep.equal(expected);
  });
});
