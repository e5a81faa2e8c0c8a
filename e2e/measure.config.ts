import config from './playwright.config';

// Measurements are run by hand, with the release build, on an otherwise idle machine.
export default { ...config, testDir: 'measure', testMatch: '*.measure.ts', outputDir: 'results-measure', retries: 0 };
