import { validationSuite } from "./validation-suite.ts";

// test/nightly runs all of them.
validationSuite(6, 200);
