import { extractedBlockRoot } from "../../host/block-root/testing/extract-block-root.ts";
import { hostileLayers } from "../../image/testing/hostile-layers.ts";

/** Nothing is written to a file system: it takes more names than unpacking does. */
const DEEP_NAMES = 150;

hostileLayers((layers, root) => extractedBlockRoot({ layers }, root), DEEP_NAMES);
