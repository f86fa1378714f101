import { expect } from 'chai';
import { countedAddress } from '../../center/address.ts';

describe('countedAddress', () => {
  it('of IPv4 is the address, also inside IPv6', () => {
    expect(countedAddress('192.0.2.1')).to.equal('192.0.2.1');
    expect(countedAddress('::ffff:192.0.2.1')).to.equal('192.0.2.1');
    expect(countedAddress('::FFFF:127.0.0.1')).to.equal('127.0.0.1');
    expect(countedAddress('::ffff:7f00:1')).to.equal('127.0.0.1');
  });

  it('of IPv6 is its /64, however it is written', () => {
    for (const address of [
      '2001:db8:0:1::1',
      '2001:db8:0:1:2:3:4:5',
      '2001:0DB8:0000:0001::ffff',
      '2001:db8:0:1::192.0.2.1',
    ]) {
      expect(countedAddress(address), address).to.equal('2001:db8:0:1::/64');
    }
    expect(countedAddress('2001:db8::2:1')).to.equal('2001:db8:0:0::/64');
    expect(countedAddress('::1')).to.equal('0:0:0:0::/64');
    expect(countedAddress('fe80::1%eth0')).to.equal('fe80:0:0:0::/64');
    expect(countedAddress('1::')).to.equal('1:0:0:0::/64');
  });

  it('of anything else is what it was', () => {
    expect(countedAddress('')).to.equal('');
    expect(countedAddress('/run/parley.sock')).to.equal('/run/parley.sock');
  });
});
