import { floodSuite } from "./flood/flood-suite.ts";

floodSuite(300);
