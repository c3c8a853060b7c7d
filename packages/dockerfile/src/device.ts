import { textError } from "./error.ts";
import { splitCsv } from "./grammar/csv.ts";
import type { Device } from "./instruction.ts";
import { parseBool } from "./number.ts";

/**
 * Reads `RUN --device`: a CDI name (which may hold `=`) and `required` (FEATURES D088). Throws TSB_DOCKERFILE
 * without a place.
 */
export function parseDevice(text: string): Device {
  let name = "";
  let required = false;
  for (const field of splitCsv(text)) {
    const equals = field.indexOf("=");
    const key = (equals === -1 ? field : field.slice(0, equals)).toLowerCase();
    if (key === "required") required = equals === -1 || requiredValue(field.slice(equals + 1));
    else if (name !== "")
      throw textError(`${JSON.stringify(field)} follows the device ${name}`, "only required may");
    else name = key === "name" && equals !== -1 ? field.slice(equals + 1) : field;
  }
  return { name, required };
}

function requiredValue(value: string): boolean {
  const parsed = parseBool(value);
  if (parsed === undefined) throw textError(`a device cannot have required=${value}`, "true or false");
  return parsed;
}
