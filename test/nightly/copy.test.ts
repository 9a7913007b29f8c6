import { copySuite } from "../namespaces/testing/copy-suite.ts";

copySuite(1000, 60);
