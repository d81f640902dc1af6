// SPDX-License-Identifier: Apache-2.0
namespace py users

struct User {
  1: i64 id,
  2: string name,
  3: list<string> groups,
  4: map<string, double> scores,
}

exception NotFound { 1: i64 id }

service Users {
  string ping(),
  i64 store(1: User user),
  User get(1: i64 id) throws (1: NotFound missing),
  list<User> search(1: string text),
  void touch(1: i64 id),
  oneway void log(1: string line),
  binary blob(1: i32 size),
  string fail(1: string how),
}
