import { validationSuite } from "../oci-runtime/validation-suite.ts";

validationSuite(2000);
