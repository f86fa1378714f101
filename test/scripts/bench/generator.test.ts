import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { compileGenerator, Generator } from '../../../scripts/bench/generator.ts';
import { findProgram, Processes } from '../../../scripts/bench/processes.ts';
import { systems } from '../../../scripts/bench/systems.ts';

const short = ['--seconds', '0.5', '--warmup', '0.1', '--connections', '10', '--inflight', '4'];

describe('load generator of the bench', () => {
  const dir = mkdtempSync(join(tmpdir(), 'parley-load-'));
  const processes = new Processes();
  let generator: Generator;

  before(function () {
    this.timeout(60_000);
    if (findProgram('cc') === null) this.skip();
    generator = new Generator(compileGenerator(dir), processes);
  });

  after(async () => {
    await processes.end();
    rmSync(dir, { recursive: true, force: true });
  });

  for (const name of ['relay', 'relay-tls', 'parley', 'parley-tls'] as const) {
    it(`sends through ${name}, and nothing is lost or out of order`, async function () {
      this.timeout(60_000);
      const system = systems.find((one) => one.name === name)!;
      const started = await system.start(processes, { dir: join(dir, name), accounts: 20, bcryptCost: 4 });
      const server = ['--port', String(started.port), '--server', String(started.pid), ...system.args];
      const relayed = await generator.run([system.driver, 'relay', ...server, ...short]);
      expect(relayed.count).to.be.above(0);
      expect(relayed).to.include({ gaps: 0, lost: false });
      if (system.driver === 'parley') {
        const sent = await generator.run([system.driver, 'away', ...server, ...short]);
        expect(sent.settled).to.be.above(0);
        const mail = ['--first', '10', '--connections', '10', '--expected', String(sent.settled), '--seconds', '20'];
        const drained = await generator.run([system.driver, 'drain', ...server, ...mail]);
        expect(drained).to.include({ count: sent.settled, gaps: 0 });
        for (const how of [[], ['--by-password']]) {
          const loggedIn = await generator.run([system.driver, 'login', ...server, ...short, ...how]);
          expect(loggedIn.count).to.be.above(0);
        }
      }
      await started.stop();
    });
  }

  for (const name of ['ejabberd-tls', 'prosody-tls'] as const) {
    it(`logs in to ${name}, which hashes the password or takes a proof`, async function () {
      this.timeout(120_000);
      const system = systems.find((one) => one.name === name)!;
      if (system.missing !== null) this.skip();
      const started = await system.start(processes, { dir: join(dir, name), accounts: 10, bcryptCost: 4 });
      for (const how of [[], ['--by-password']]) {
        const args = ['--port', String(started.port), '--connections', '10', ...system.args, ...how];
        expect(await generator.run([system.driver, 'visit', ...args])).to.include({ connections: 10 });
      }
      await started.stop();
    });
  }
});
