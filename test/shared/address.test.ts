import { expect } from 'chai';
import { isLoopback, plainAddress } from '../../shared/address.ts';

describe('plainAddress', () => {
  it('of IPv4 in IPv6 is IPv4, of all else the address itself', () => {
    expect(plainAddress('::ffff:192.0.2.1')).to.equal('192.0.2.1');
    expect(plainAddress('::FFFF:192.0.2.1')).to.equal('192.0.2.1');
    expect(plainAddress('192.0.2.1')).to.equal('192.0.2.1');
    expect(plainAddress('2001:db8::1')).to.equal('2001:db8::1');
  });
});

describe('isLoopback', () => {
  it('knows the addresses of this machine alone', () => {
    for (const address of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1']) {
      expect(isLoopback(address), address).to.equal(true);
    }
    for (const address of ['128.0.0.1', '10.0.0.1', '::2']) expect(isLoopback(address), address).to.equal(false);
  });
});
