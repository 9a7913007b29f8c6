import { keptOutputSuite } from "../namespaces/testing/kept-output-suite.ts";

keptOutputSuite(300);
