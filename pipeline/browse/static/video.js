// A video: decisions on the whole of it.

import { cutAtWords } from "./clamp.js";
import { marking } from "./marks.js";

cutAtWords(document.querySelectorAll(".moment p"));

marking();
