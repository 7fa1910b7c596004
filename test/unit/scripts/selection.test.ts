import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { select } from '../../../scripts/test/selection.ts';
import { findSuites, NAMED } from '../../../scripts/test/suites.ts';

const suites = findSuites(fileURLToPath(new URL('../../..', import.meta.url)));
const all = suites.filter(({ onlyByName }) => !onlyByName).flatMap(({ parts }) => parts);

function filesOf(only: string): readonly string[] {
  return select(only, suites).parts.flatMap(({ files }) => files);
}

describe('make test', () => {
  it('has every part whose name says how it is run', () => {
    const names = suites.flatMap(({ parts }) => parts).map(({ name }) => name);
    expect(NAMED.filter((name) => !names.includes(name))).to.deep.equal([]);
  });
});

describe('make test ONLY', () => {
  it('absent is everything', () => {
    expect(select('', suites)).to.deep.equal({ parts: all });
  });

  it('what needs root and minutes is run by its name only', () => {
    expect(filesOf('')).not.to.include('test/e2e/journeys.test.ts');
    expect(filesOf('e2e')).to.include.members(['test/e2e/image.test.ts', 'test/e2e/journeys.test.ts']);
  });

  it('names suites', () => {
    const files = filesOf('unit integration/api');
    expect(files).to.include.members([
      'test/unit/scripts/selection.test.ts',
      'test/integration/api/admission.test.ts',
    ]);
    expect(files.filter((file) => !/^test\/(unit|integration\/api)\//.test(file))).to.deep.equal([]);
  });

  it('names a folder of suites', () => {
    expect(filesOf('integration')).to.deep.equal(
      all.flatMap(({ files }) => files).filter((file) => file.startsWith('test/integration/')),
    );
  });

  for (const only of [
    'test/integration/api/admission.test.ts',
    './test/integration/api/admission.test.ts',
    'integration/api/admission',
  ]) {
    it(`names a file: ${only}`, () => {
      expect(filesOf(only)).to.deep.equal(['test/integration/api/admission.test.ts']);
    });
  }

  it('names a file of a suite that runs in one process', () => {
    expect(filesOf('test/unit/glance/chain.test.ts')).to.deep.equal(['test/unit/glance/chain.test.ts']);
  });

  it('is a title where it names no suite and no file', () => {
    const only = 'a lower revision is refused';
    expect(select(only, suites)).to.deep.equal({ parts: all, title: only });
  });

  it('names a file that is not there beside one that is', () => {
    expect(select('unit integration/api/missing', suites)).to.deep.equal({
      parts: [],
      unknown: 'integration/api/missing',
    });
  });

  it('names a suite that is not there beside the path of one that is', () => {
    expect(select('integration/api script', suites)).to.deep.equal({ parts: [], unknown: 'script' });
  });

  it('is a title where it has a slash and names no suite', () => {
    expect(select('an answer with/without a body', suites).title).to.equal('an answer with/without a body');
  });

  it('is a title where one word of it is a suite', () => {
    expect(select('unit of work', suites).title).to.equal('unit of work');
  });

  it('each test file is in one part, and no other part has it', () => {
    const files = all.flatMap((part) => part.files);
    expect(new Set(files).size).to.equal(files.length);
  });
});
