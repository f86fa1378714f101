import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type LogFields, openLog } from '../../center/log.ts';
import { smallDisk } from '../helpers/faults.ts';

function lineOf(fields: LogFields, message = 'said', pretty = false): string {
  const lines: string[] = [];
  openLog({ level: 'debug', pretty, destination: { write: (line) => lines.push(line) } }).info(fields, message);
  return lines.join('');
}

function fieldsOf(fields: LogFields, message?: string): Record<string, unknown> {
  return JSON.parse(lineOf(fields, message)) as Record<string, unknown>;
}

describe('log', () => {
  it('writes a JSON object a line, with level, time and message', () => {
    const { level, time, msg, account } = fieldsOf({ account: 7 }, 'logged in');
    expect({ level, msg, account }).to.deep.equal({ level: 'info', msg: 'logged in', account: 7 });
    expect(new Date(String(time)).toISOString()).to.equal(time);
    expect(lineOf({})).to.match(/^[^\n]+\n$/);
  });

  it('leaves out what is below its level', () => {
    const lines: string[] = [];
    const log = openLog({ level: 'warn', pretty: false, destination: { write: (line) => lines.push(line) } });
    log.debug({}, 'one');
    log.info({}, 'two');
    log.warn({}, 'three');
    log.error({}, 'four');
    expect(lines.map((line) => JSON.parse(line).msg)).to.deep.equal(['three', 'four']);
  });

  it('hides whatever is named like a secret or a text, however deep', () => {
    const secret = 'summerisover';
    const line = lineOf({
      password: secret,
      oldPassword: secret,
      password_hash: secret,
      token: secret,
      nextToken: secret,
      ticket: secret,
      sessionTicket: secret,
      psk: secret,
      mac: secret,
      jti: secret,
      body: secret,
      text: secret,
      authorization: secret,
      privateKey: secret,
      invite: secret,
      request: { login: { passwd: secret, tokens: [secret] } },
    });
    expect(line).to.not.include(secret);
    expect(line).to.include('[hidden]');
  });

  it('never writes bytes, which may be anything', () => {
    expect(fieldsOf({ chunk: Buffer.from('summerisover') }).chunk).to.equal('[12 bytes]');
  });

  it('writes errors with their code and cause', () => {
    const err = Object.assign(new Error('no room', { cause: new Error('disk') }), { code: 'ENOSPC' });
    const written = fieldsOf({ err }).err as Record<string, unknown>;
    expect(written).to.include({ type: 'Error', message: 'no room', code: 'ENOSPC' });
    expect(written.stack).to.include('log.test.ts');
    expect(written.cause).to.include({ message: 'disk' });
  });

  it('lets nothing remote steer a terminal', () => {
    for (const pretty of [false, true]) {
      const line = lineOf(
        { name: 'a\u001b[31mb\u202ec\r\nd', address: 'x\u0007' },
        'from\u001b[2J here\nthere',
        pretty,
      );
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
      expect(line).to.not.match(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
      expect(line).to.include('from here there');
    }
  });

  it('cuts what is long, many or deep', () => {
    const deep: LogFields = {};
    let at = deep;
    for (let i = 0; i < 100; i++) {
      const next: LogFields = {};
      at.next = next;
      at = next;
    }
    const line = lineOf({ long: 'x'.repeat(1_000_000), many: Array.from({ length: 100_000 }, (_, i) => i), deep });
    expect(line.length).to.be.below(10_000);
  });

  it('goes on with what comes when its reader reads again, and says how much is missing', async () => {
    const lines = 30_000;
    const program = `
      import { openLog } from ${JSON.stringify(new URL('../../center/log.ts', import.meta.url).href)};
      process.stderr.on('error', () => {});
      const log = openLog({ level: 'info', pretty: false, destination: 2 });
      for (let i = 0; i < ${lines}; i++) log.info({ i, padding: 'x'.repeat(100) }, 'line');
      process.stdout.write('written');
      process.stdin.once('data', async () => { await log.flush(); log.info({}, 'last'); await log.flush(); process.exit(0); });
    `;
    const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', program]);
    try {
      await once(child.stdout, 'data', { signal: AbortSignal.timeout(30_000) });
      const chunks: Buffer[] = [];
      child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
      child.stdin.write('go');
      await once(child, 'close', { signal: AbortSignal.timeout(30_000) });
      const read = Buffer.concat(chunks)
        .toString()
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as { i?: number; dropped?: number; msg: string });
      expect(read.at(-1)?.msg).to.equal('last');
      const numbered = read.filter(({ i }) => i !== undefined).map(({ i }) => i);
      expect(numbered).to.deep.equal(numbered.map((_, index) => index));
      expect(read.find(({ dropped }) => dropped !== undefined)?.dropped).to.equal(lines - numbered.length);
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('goes on when the disk that it is on has room again, and says how much is missing', async function () {
    const directory = mkdtempSync(join(tmpdir(), 'parley-log-'));
    const disk = smallDisk(join(directory, 'disk'), 65_536);
    try {
      if (disk === null) this.skip();
      const filler = join(directory, 'disk', 'filler');
      const file = openSync(join(directory, 'disk', 'log'), 'w');
      const log = openLog({ level: 'info', pretty: false, destination: file });
      writeFileSync(filler, Buffer.alloc(65_536 - 4096));
      for (let i = 0; i < 100; i++) log.info({ i, padding: 'x'.repeat(100) }, 'line');
      await log.flush();
      truncateSync(filler);
      log.info({}, 'there is room');
      await log.flush();
      const read = readFileSync(join(directory, 'disk', 'log'), 'utf8');
      const lines = read.trimEnd().split('\n');
      expect(JSON.parse(lines.at(-2) ?? '')).to.include({ msg: 'there is room' });
      const whole = lines.filter((line) => line.startsWith('{"level":"info"') && line.endsWith('"line"}')).length;
      expect(JSON.parse(lines.at(-1) ?? '').dropped).to.equal(100 - whole);
      closeSync(file);
    } finally {
      disk?.remove();
      rmSync(directory, { recursive: true });
    }
  });

  it('is not held up by a reader that has stopped reading, nor at the end of the process', async () => {
    // A child writes much more than a pipe holds while nobody reads. As in the program, process.stderr is in use.
    const program = `
      import { openLog } from ${JSON.stringify(new URL('../../center/log.ts', import.meta.url).href)};
      process.stderr.on('error', () => {});
      const log = openLog({ level: 'info', pretty: false, destination: 2 });
      for (let i = 0; i < 100_000; i++) log.info({ i, padding: 'x'.repeat(100) }, 'line');
      await log.flush();
      process.exit(0);
    `;
    const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', program], {
      stdio: ['ignore', 'inherit', 'pipe'],
    });
    try {
      const [code] = await once(child, 'exit', { signal: AbortSignal.timeout(30_000) });
      expect(code).to.equal(0);
    } finally {
      child.kill('SIGKILL');
      child.stderr.destroy();
    }
  });
});
