import { expect } from 'chai';
import fc from 'fast-check';
import { type ErrorCode, ParleyError } from '../../shared/errors.ts';
import { checkName, checkPassword, commandNames, foldName } from '../../shared/names.ts';

function codeOf(act: () => void): ErrorCode | null {
  try {
    act();
    return null;
  } catch (error) {
    if (error instanceof ParleyError) return error.code;
    throw error;
  }
}

const nameCode = (name: string) => codeOf(() => checkName(name));
const passwordCode = (password: string) => codeOf(() => checkPassword(password));

describe('names', () => {
  it('are 1 to 25 of letters, digits, dot, underscore and hyphen', () => {
    for (const name of ['a', 'Z', '7', 'seas', 'al.ice_B-2', 'x'.repeat(25), 'constructor']) {
      expect(nameCode(name), name).to.equal(null);
    }
    for (const name of ['', 'x'.repeat(26), 'a b', 'é', 'a\n', '\u0430', 'a/b', 'a@b', 'a\0']) {
      expect(nameCode(name), name).to.equal('bad_name');
    }
  });

  it('begin with a letter or digit', () => {
    for (const name of ['.a', '_a', '-a', '__proto__']) expect(nameCode(name), name).to.equal('bad_name');
  });

  it('are not commands, in any case', () => {
    for (const name of commandNames) {
      expect(nameCode(name), name).to.equal('bad_name');
      expect(nameCode(name.toUpperCase()), name).to.equal('bad_name');
    }
  });

  it('fold to one form that is a name as well', () => {
    const character = fc.constantFrom(...'abzABZ019._-');
    fc.assert(
      fc.property(fc.string({ unit: character, minLength: 1, maxLength: 25 }), (name) => {
        expect(foldName(foldName(name))).to.equal(foldName(name));
        expect(nameCode(foldName(name))).to.equal(nameCode(name));
      }),
    );
  });
});

describe('passwords', () => {
  it('are 6 to 72 bytes of UTF-8', () => {
    for (const password of ['123456', 'x'.repeat(72), 'é'.repeat(3), '🙂'.repeat(18)]) {
      expect(passwordCode(password), password).to.equal(null);
    }
    for (const password of ['', '12345', 'é'.repeat(2), 'x'.repeat(73), 'é'.repeat(37), `${'🙂'.repeat(18)}x`]) {
      expect(passwordCode(password), password).to.equal('bad_password');
    }
  });

  it('have no NUL and no half surrogate pairs', () => {
    expect(passwordCode('summer\0isover')).to.equal('bad_password');
    expect(passwordCode('summer\ud83disover')).to.equal('bad_password');
  });

  it('are never told in the error', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 8, maxLength: 100 }), (password) => {
        try {
          checkPassword(password);
        } catch (error) {
          expect((error as Error).message).not.to.include(password);
        }
      }),
    );
  });
});
