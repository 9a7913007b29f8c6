import { hostileLayers } from "../../../image/testing/hostile-layers.ts";
import { unpack } from "./unpack.ts";

hostileLayers((layers, root) => unpack({ layers }, root), 12);
