import { expect } from 'chai';
import fc from 'fast-check';
import {
  countOf,
  parseCount,
  parseSize,
  parseTime,
  QuantityError,
  tellDate,
  tellTime,
  writeSize,
  writeTime,
} from '../../center/quantities.ts';

describe('quantities', () => {
  it('reads times', () => {
    const times: [string, number][] = [
      ['250ms', 250],
      ['90s', 90_000],
      ['15m', 900_000],
      ['1h', 3_600_000],
      ['1.5h', 5_400_000],
      ['30d', 2_592_000_000],
      ['2W', 1_209_600_000],
      [' 0s ', 0],
    ];
    for (const [text, timeMs] of times) expect(parseTime(text), text).to.equal(timeMs);
  });

  it('gives a bare number the unit asked for, and refuses one where there is none', () => {
    expect(parseTime('30', 'd')).to.equal(2_592_000_000);
    expect(parseTime('10000', 'ms')).to.equal(10_000);
    expect(() => parseTime('30')).to.throw(QuantityError, '30d');
  });

  it('writes what it reads', () => {
    expect([250, 1500, 10_000, 60_000, 90_000, 3_600_000, 86_400_000, 0].map(writeTime)).to.deep.equal([
      '250ms',
      '1500ms',
      '10s',
      '1m',
      '90s',
      '1h',
      '1d',
      '0ms',
    ]);
    expect([1, 1500, 4096, 1_048_576, 1_610_612_736, 2 ** 40].map(writeSize)).to.deep.equal([
      '1',
      '1500',
      '4K',
      '1M',
      '1536M',
      '1T',
    ]);
    fc.assert(fc.property(fc.nat(), (n) => parseTime(writeTime(n)) === n && parseSize(writeSize(n)) === n));
  });

  it('reads sizes', () => {
    const sizes: [string, number][] = [
      ['4096', 4096],
      ['64K', 65_536],
      ['64KiB', 65_536],
      ['256mb', 268_435_456],
      ['1.5G', 1_610_612_736],
      ['2T', 2_199_023_255_552],
    ];
    for (const [text, bytes] of sizes) expect(parseSize(text), text).to.equal(bytes);
  });

  it('refuses what is no quantity', () => {
    for (const text of ['', 'x', '-1', '1e9', '0x10', '1y', '1 h', '99999999999999999999']) {
      expect(() => parseTime(text, 'ms'), text).to.throw(QuantityError);
      expect(() => parseSize(text), text).to.throw(QuantityError);
      expect(() => parseCount(text), text).to.throw(QuantityError);
    }
  });

  it('keeps counts within their bounds', () => {
    expect(parseCount('0')).to.equal(0);
    expect(parseCount('65535', 0, 65_535)).to.equal(65_535);
    expect(() => parseCount('65536', 0, 65_535)).to.throw(QuantityError, 'from 0 to 65535');
    expect(() => parseCount('0', 1)).to.throw(QuantityError, 'from 1 up');
  });

  it('tells times as it reads them', () => {
    expect(tellTime(3_600_000)).to.equal('1 hour');
    expect(tellTime(5_400_000)).to.equal('90 minutes');
    expect(tellTime(1_209_600_000)).to.equal('14 days');
    expect(tellTime(61_000)).to.equal('61 seconds');
    expect(tellTime(1)).to.equal('1 second');
    expect(tellDate(Date.UTC(2026, 10, 21, 9, 14))).to.equal('2026-11-21 09:14 UTC');
    expect(countOf(0, 'message')).to.equal('0 messages');
  });

  it('never gives anything but a safe whole number', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        for (const parse of [parseTime, parseSize, parseCount] as ((text: string) => number)[]) {
          try {
            expect(parse(text)).to.satisfy(Number.isSafeInteger);
          } catch (error) {
            expect(error).to.be.instanceOf(QuantityError);
          }
        }
      }),
    );
  });
});
