import { expect } from 'chai';
import { canLive, endpoint, reachableAddresses } from '../../peer/addresses.ts';

describe('addresses', () => {
  it('with a port are written as a URL has them', () => {
    expect(endpoint('::ffff:192.0.2.1', 6067)).to.equal('192.0.2.1:6067');
    expect(endpoint('2001:db8::1', 6067)).to.equal('[2001:db8::1]:6067');
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
