import { spawnSync } from 'node:child_process';
import { expect } from 'chai';
import { type Arguments, readArguments } from '../../peer/arguments.ts';
import { shells } from '../../peer/completion.ts';

let written = '';
const read = (...args: string[]): Arguments | null => {
  written = '';
  return readArguments(['node', 'peer', ...args], '1.2.3', (text) => {
    written += text;
  });
};

/** What is written while it fails, and its exit code. */
function refused(...args: string[]): { text: string; exitCode: unknown } {
  const write = process.stderr.write;
  let text = '';
  process.stderr.write = (chunk: string | Uint8Array) => {
    text += chunk;
    return true;
  };
  try {
    read(...args);
  } catch (error) {
    return { text, exitCode: error instanceof Error && 'exitCode' in error ? error.exitCode : error };
  } finally {
    process.stderr.write = write;
  }
  return { text, exitCode: 0 };
}

describe('arguments', () => {
  it('are the center’s address and perhaps one’s own', () => {
    expect(read('localhost', '6066')).to.include({ host: 'localhost', port: 6066, ownHost: null, ownPort: 0 });
    expect(read('localhost', '6066', 'localhost', '6067')).to.include({ ownHost: 'localhost', ownPort: 6067 });
  });

  it('have options with plain defaults', () => {
    expect(read('c', '1')).to.include({
      ...{ user: null, register: false, resume: false, history: true, hold: false },
    });
    expect(read('c', '1')).to.include({ plain: false, json: false, wait: 'accepted', color: true, dataDir: null });
    expect(
      read(
        'c',
        '1',
        '--user',
        'seas',
        '--password-file',
        'f',
        '--no-history',
        '--wait',
        'stored',
        '--no-color',
        '--json',
      ),
    ).to.include({ user: 'seas', passwordFile: 'f', history: false, wait: 'stored', color: false, json: true });
    expect(read('c', '1', '--data', 'd', '--ca', 'x', '--fingerprint', 'SHA256:y', '--invite', 'z')).to.include({
      ...{ dataDir: 'd', caFile: 'x', fingerprint: 'SHA256:y', invite: 'z' },
    });
  });

  it('that are wrong are refused with what is right', () => {
    expect(refused('localhost').text).to.include('center-port').and.include('peer --help');
    expect(refused('localhost', '0').text).to.include('A port is a number from 1 to 65535');
    expect(refused('localhost', 'x')).to.include({ exitCode: 1 });
    expect(refused('', '6066').text).to.include("'center-host'").and.include('It is empty.');
    expect(refused('localhost', '6066', '').text)
      .to.include("'own-host'")
      .and.include('It is empty.');
    expect(refused('localhost', '6066', '--data', '').text)
      .to.include('--data')
      .and.include('It is empty.');
    expect(refused('localhost', '6066', '--wait', 'never').text).to.include('accepted, stored, none');
    expect(refused('localhost', '6066', '--register', '--resume').text).to.include('exclude each other');
    expect(refused('localhost', '6066', '--pasword', 'x').text).to.include('unknown option');
  });
});

describe('completion scripts', () => {
  for (const shell of shells) {
    it(`for ${shell} name the options`, () => {
      expect(read('completion', shell)).to.equal(null);
      expect(written).to.include('password-file').and.include('completion').and.include('accepted stored none');
    });
  }

  it('for bash are valid bash and complete', () => {
    read('completion', 'bash');
    const script = `${written}\nCOMP_WORDS=(peer c 1 --wait s); COMP_CWORD=4; _peer; echo "\${COMPREPLY[@]}"`;
    const { stdout, status } = spawnSync('bash', ['-c', script], { encoding: 'utf8' });
    expect([stdout, status]).to.deep.equal(['stored\n', 0]);
  });
});
