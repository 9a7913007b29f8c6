import { validationSuite } from "./validation-suite.ts";

// test/nightly runs all of them.
validationSuite(3, 600);
