import { expect } from 'chai';
import { checkBody } from '../../peer/body.ts';
import type { ParleyError } from '../../shared/errors.ts';

function codeOf(text: string, maxBytes: number): string {
  try {
    checkBody(text, maxBytes);
    return 'fine';
  } catch (error) {
    return (error as ParleyError).code;
  }
}

describe('the text of a message', () => {
  it('is neither empty nor broken', () => {
    expect(codeOf('', 10)).to.equal('empty_body');
    expect(codeOf('\ud800', 10)).to.equal('bad_text');
    expect(codeOf('Hello.', 10)).to.equal('fine');
  });

  it('is as long as the center takes, counted in bytes', () => {
    expect(codeOf('größer', 8)).to.equal('fine');
    expect(codeOf('größer', 7)).to.equal('body_too_long');
    expect(codeOf('x'.repeat(16 * 1024), 0)).to.equal('fine');
    expect(codeOf('x'.repeat(16 * 1024 + 1), 0)).to.equal('body_too_long');
  });
});
