import { extractedBlockRoot } from "../../host/engine/image/disk/testing/extract-block-root.ts";
import { hostileLayers } from "../../image/testing/hostile-layers.ts";

/** Making a block root is faster than unpacking, and needs more names to take as long. */
const DEEP_NAMES = 150;

hostileLayers((layers, root) => extractedBlockRoot({ layers }, root), DEEP_NAMES);
