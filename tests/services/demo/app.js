// SPDX-License-Identifier: Apache-2.0
// The demo's web application: a few routes over MySQL, with the failures that an operator wants to see.
// HOST and PORT say where it listens, DB_HOST and DB_PORT where the database is, DB_DRIVER (mysql2 or mysql) which client it uses.
const express = require("express");
const env = process.env;

const database = connect(env.DB_DRIVER || "mysql2", {
  host: env.DB_HOST || "127.0.0.1",
  port: Number(env.DB_PORT || 3306),
  user: "demo",
  password: "demo",
  database: "demo",
  connectionLimit: 4,
});

const app = express();
app.use(express.json());

app.get("/", (request, response) => response.type("text").send("hello from the demo\n"));
app.get("/hello/:name", (request, response) => response.json({ hello: request.params.name }));

app.get("/users", async (request, response) => {
  response.json(await database.text("SELECT id, name, email FROM users ORDER BY id"));
});

// With mysql2 a prepared statement, so that COM_STMT_PREPARE and COM_STMT_EXECUTE are on the wire too.
app.get("/users/:id", async (request, response) => {
  const rows = await database.prepared("SELECT id, name, email FROM users WHERE id = ?", [request.params.id]);
  if (rows.length === 0) return response.status(404).json({ error: "no such user" });
  response.json(rows[0]);
});

app.post("/users", async (request, response) => {
  const { name, email } = request.body ?? {};
  if (!name) return response.status(400).json({ error: "name is required" });
  const result = await database.prepared("INSERT INTO users (name, email) VALUES (?, ?)", [name, email ?? null]);
  response.status(201).location(`/users/${result.insertId}`).json({ id: result.insertId });
});

app.get("/slow", async (request, response) => {
  const rows = await database.text("SELECT SLEEP(?) AS slept", [Math.min(Number(request.query.s ?? 1), 10)]);
  response.json(rows[0]);
});

// Asks for a table that is not there: a MySQL error packet and an HTTP 500.
app.get("/fail", async (request, response) => {
  response.json(await database.text("SELECT * FROM no_such_table"));
});

app.use((request, response) => response.status(404).json({ error: "no such route" }));
app.use((error, request, response, next) => response.status(500).json({ error: error.code ?? "error", message: error.message }));

app.listen(Number(env.PORT || 8080), env.HOST || "127.0.0.1", function (error) {
  if (error) throw error;
  console.log(`READY ${this.address().address}:${this.address().port}`);
});

// The two npm packages behind one face; `mysql` has no prepared statements and sends text.
function connect(driver, settings) {
  const pool = require(driver).createPool(settings);
  const call = (method) => (sql, values) =>
    new Promise((resolve, reject) => pool[method](sql, values, (error, rows) => (error ? reject(error) : resolve(rows))));
  return { text: call("query"), prepared: call(driver === "mysql2" ? "execute" : "query") };
}
