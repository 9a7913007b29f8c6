import { copySuite } from "./testing/copy-suite.ts";

copySuite(40, 5);
