// ejabberd and Prosody: how they are started, plain or over TLS, with passwords that they store hashed.
import { createHash, createHmac, KeyObject, pbkdf2Sync, webcrypto } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { accountName, password } from './accounts.ts';
import { findProgram } from './processes.ts';
import { starting, writeSettings } from './starting.ts';

/** Prosody's default, default_iteration_count in mod_auth_internal_hashed. */
const prosodyIterations = 10_000;
const prosodySalt = '69485fb6-8a23-4d9a-9f9f-52cfee7c8ca9';
const sha1Bytes = 20;
const certificateMs = 90 * 24 * 3_600_000;

/** Debian keeps it among Erlang's libraries; run without ejabberdctl it opens no ports but the one it is told. */
export const startEjabberd = (secured: boolean) =>
  starting(async ({ dir, accounts }, port, processes) => {
    const places = { PORT: String(port), IS_TLS: String(secured), ...(await makeCertificate(dir)) };
    const command = findProgram('erl') ?? 'erl';
    const args = ['+K', 'true', '+P', '250000', '-noinput', '-mnesia', 'dir', `"${join(dir, 'mnesia')}"`];
    const env = {
      ERL_LIBS: '/usr/lib/x86_64-linux-gnu',
      EJABBERD_CONFIG_PATH: writeSettings('ejabberd.yml', dir, places),
      EJABBERD_LOG_PATH: join(dir, 'ejabberd.log'),
      ERL_CRASH_DUMP: join(dir, 'erl_crash.dump'),
      HOME: dir,
    };
    await processes.run(command, [...args, '-s', 'ejabberd', '-eval', ejabberdAccounts(accounts)], { cwd: dir, env });
    return { command, args: [...args, '-s', 'ejabberd'], env };
  });

/** What registering would write, in Erlang: all have one password, hashed once. Then ejabberd stops. */
function ejabberdAccounts(count: number): string {
  return `
    Hash = ejabberd_auth:password_to_scram(<<"localhost">>, <<"${password}">>),
    Name = fun(N) -> iolist_to_binary(io_lib:format("u~5..0b", [N])) end,
    [ok = mnesia:dirty_write({passwd, {Name(N), <<"localhost">>}, Hash}) || N <- lists:seq(0, ${count - 1})],
    init:stop().`;
}

export const startProsody = (secured: boolean) =>
  starting(async ({ dir, accounts }, port) => {
    const ports = { PLAIN_PORT: secured ? '' : String(port), TLS_PORT: secured ? String(port) : '' };
    makeProsodyAccounts(dir, accounts);
    const config = writeSettings('prosody.cfg.lua', dir, { ...ports, ...(await makeCertificate(dir)) });
    return { command: findProgram('prosody')!, args: ['-F', '--config', config] };
  });

/** The same kind of key and certificate as a center's, but that it ends: ejabberd counts the time until then. */
async function makeCertificate(dir: string): Promise<{ KEY: string; CERT: string }> {
  // Loaded here, as in shared/certificate.ts.
  await import('reflect-metadata');
  const { X509CertificateGenerator } = await import('@peculiar/x509');
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=localhost',
    keys,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    notAfter: new Date(Date.now() + certificateMs),
  });
  const files = { KEY: join(dir, 'key.pem'), CERT: join(dir, 'cert.pem') };
  const key = KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' });
  writeFileSync(files.KEY, key, { mode: 0o600 });
  writeFileSync(files.CERT, `${certificate.toString('pem')}\n`);
  return files;
}

/** The files that registering would write (mod_auth_internal_hashed, RFC 5802): all have one password, hashed once. */
function makeProsodyAccounts(dir: string, count: number): void {
  const salted = pbkdf2Sync(password, prosodySalt, prosodyIterations, sha1Bytes, 'sha1');
  const hmac = (text: string) => createHmac('sha1', salted).update(text).digest();
  const storedKey = createHash('sha1').update(hmac('Client Key')).digest('hex');
  const text = `return {
	["iteration_count"] = ${prosodyIterations};
	["salt"] = "${prosodySalt}";
	["stored_key"] = "${storedKey}";
	["server_key"] = "${hmac('Server Key').toString('hex')}";
};
`;
  const accountsDir = join(dir, 'localhost', 'accounts');
  mkdirSync(accountsDir, { recursive: true });
  for (let n = 0; n < count; n++) writeFileSync(join(accountsDir, `${accountName(n)}.dat`), text);
}
