import { expect } from 'chai';
import { canLive, endpoint, isLoopback, plainAddress, reachableAddresses } from '../../peer/addresses.ts';

describe('addresses', () => {
  it('of IPv4 within IPv6 are IPv4', () => {
    expect(plainAddress('::ffff:192.0.2.1')).to.equal('192.0.2.1');
    expect(plainAddress('2001:db8::1')).to.equal('2001:db8::1');
    expect(endpoint('::ffff:192.0.2.1', 6067)).to.equal('192.0.2.1:6067');
    expect(endpoint('2001:db8::1', 6067)).to.equal('[2001:db8::1]:6067');
  });

  it('of this machine alone are known', () => {
    for (const address of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1']) {
      expect(isLoopback(address), address).to.equal(true);
    }
    for (const address of ['128.0.0.1', '10.0.0.1', '::2']) expect(isLoopback(address), address).to.equal(false);
  });

  it('where a port can be reached are all, or the one that it is bound to', () => {
    expect(reachableAddresses('127.0.0.1')).to.deep.equal(['127.0.0.1']);
    expect(reachableAddresses('0.0.0.0')).to.include('127.0.0.1');
    expect(reachableAddresses('0.0.0.0').filter((address) => address.includes(':'))).to.deep.equal([]);
    expect(reachableAddresses('::').filter((address) => address.startsWith('fe80:'))).to.deep.equal([]);
  });

  describe('that are gone from this machine', () => {
    it('end a connection where there is another to go from', () => {
      expect(canLive(['127.0.0.1', '192.0.2.2'], '192.0.2.1')).to.equal(false);
      expect(canLive(['127.0.0.1', '192.0.2.2'], '::ffff:192.0.2.1')).to.equal(false);
      expect(canLive(['127.0.0.1', '192.0.2.1', '192.0.2.2'], '192.0.2.1')).to.equal(true);
    });

    it('may come back where there is none: the cable may only be out', () => {
      expect(canLive(['127.0.0.1'], '192.0.2.1')).to.equal(true);
      expect(canLive(['127.0.0.1', '2001:db8::1', 'fe80::1'], '192.0.2.1')).to.equal(true);
      expect(canLive(['::1', '192.0.2.1', 'fe80::1'], '2001:db8::1')).to.equal(true);
    });

    it('say nothing of this machine alone, nor of what has no address', () => {
      expect(canLive(['192.0.2.2'], '127.0.0.1')).to.equal(true);
      expect(canLive(['192.0.2.2'], '')).to.equal(true);
    });
  });
});
