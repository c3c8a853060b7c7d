import { DatabaseSync } from "node:sqlite";
import { bounds } from "../bounds.ts";

/** rpm's own statement (lib/backend/sqlite.c); another could be a view or compute its columns without end. */
const PACKAGES_TABLE =
  /^CREATE TABLE '?Packages'? \( ?hnum INTEGER PRIMARY KEY AUTOINCREMENT, ?blob BLOB NOT NULL ?\)$/;

/**
 * The rpm headers in an rpmdb.sqlite, which must be a copy that is this process's own: opening it may write beside it. The file is a
 * stranger's, so it is read only when its table is the plain one that rpm makes. Throws an Error with a reason.
 */
export function* sqliteHeaders(path: string): Generator<Buffer> {
  const database = new DatabaseSync(path, { enableForeignKeyConstraints: false });
  try {
    database.exec("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0;");
    checkSchema(database);
    const rows = database
      .prepare(
        "SELECT blob FROM main.Packages WHERE typeof(blob) = 'blob' AND length(blob) <= ? ORDER BY hnum",
      )
      .iterate(bounds.rpmHeaderBytes);
    for (const { blob } of rows) if (blob instanceof Uint8Array) yield Buffer.from(blob);
  } finally {
    database.close();
  }
}

function checkSchema(database: DatabaseSync): void {
  const found = database
    .prepare(
      "SELECT substr(sql, 1, 200) AS sql FROM sqlite_schema WHERE type = 'table' AND name = 'Packages'",
    )
    .all();
  const sql = found[0]?.["sql"];
  const statement = typeof sql === "string" ? sql.replaceAll(/\s+/g, " ").trim() : "";
  if (found.length !== 1 || !PACKAGES_TABLE.test(statement)) throw new Error("it has no table that rpm made");
}
