"""See whether a host can take pushes: python3 -c THIS USER HOME."""

import pwd
import sys

user, home = sys.argv[1:]
if sys.version_info < (3, 10):
    version = ".".join(map(str, sys.version_info[:2]))
    sys.exit(f"python3 is {version} here, and Ansible wants 3.10 to deploy from.")
for entry in pwd.getpwall():
    if entry.pw_name == user and entry.pw_dir != home:
        sys.exit(
            f"The user {user} is there, with {entry.pw_dir} as its home, and so somebody else's. "
            "Pushes of this app would come to a user of that name: choose another app_name."
        )
