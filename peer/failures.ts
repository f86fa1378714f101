// Why somebody could not be reached, or an address not be taken: errors of sockets, in words that say what to do.
import { ParleyError } from '../shared/errors.ts';
import { centerAddress } from './known-centers.ts';

/** How to speak of what is waited for. */
export interface Sought {
  name: string;
  isCertified?: boolean;
  /** A center is sought there: the error asks what may be the matter with it. */
  isCenter?: boolean;
}

const reasons = new Map([
  ['ECONNREFUSED', 'nothing listens there'],
  ['ECONNRESET', 'the connection was reset'],
  ['ENOTFOUND', 'there is no host of this name'],
  ['EAI_AGAIN', 'the name cannot be looked up now'],
  ['EHOSTUNREACH', 'the host cannot be reached'],
  ['ENETUNREACH', 'the network cannot be reached'],
  ['ETIMEDOUT', 'no answer'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'its certificate is for another name'],
]);

export function unreachable(error: Error, { name, isCertified, isCenter = false }: Sought): ParleyError {
  const code = 'code' in error ? String(error.code) : '';
  const known = reasons.get(code);
  const text = (): string => {
    if (code === 'ECONNREFUSED' && isCenter) return `${name}: ${known}. Is the center running?`;
    if (known !== undefined) return `${name}: ${known}.`;
    if (code.startsWith('ERR_SSL') || code === 'EPROTO') {
      const what = code.endsWith('NO_APPLICATION_PROTOCOL') ? 'this protocol' : 'TLS 1.3';
      const question = isCenter ? ' Is it a center of Parley, and started without --plain?' : '';
      return `${name} does not speak ${what} (${code}).${question}`;
    }
    // OpenSSL's codes for certificates are legion; without an authority none is asked for.
    if (isCertified && code.includes('_'))
      return `${name}: its certificate is not of the certificate authority given (${code}).`;
    return `${name}: ${error.message}`;
  };
  return new ParleyError('disconnected', text());
}

export function tooLate(name: string): ParleyError {
  return new ParleyError('timeout', `${name} did not answer in time.`);
}

export function givenUp(): ParleyError {
  return new ParleyError('cancelled', 'Connecting was given up.');
}

/** The peer's own address cannot be bound. */
export function unbindable(error: Error & { code?: string }, host: string, port: number): ParleyError {
  const address = centerAddress(host, port);
  const text =
    error.code === 'EADDRINUSE'
      ? `${address} is in use by another program. Give the peer another port, or 0 for a free one.`
      : error.code === 'EACCES'
        ? `${address} may not be used by you. Give the peer a port from 1024 on, or 0 for a free one.`
        : error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND'
          ? `${address} is not an address of this machine. Give the peer one that is, or localhost.`
          : `The peer cannot listen on ${address}: ${error.message}`;
  return new ParleyError('bad_address', text);
}
