"""Runs Glance's own command line and models for the interop suite, without paying for Glance's imports each time.

Started with the Python of a venv that has Glance. Reads one JSON request a line and answers with one JSON line:

    {"url": URL, "manage": ["db", "sync"]}    what `glance-manage db sync` does: {"code", "stdout", "stderr"}
    {"url": URL, "compare": true}             how the database differs from Glance's models, a line each, on stdout

Each request is answered by a fork of this process, which has the modules of Glance loaded and nothing else: no
configuration, no engine, no state of an earlier request.
"""

import gc
import json
import os
import re
import sys
import tempfile
import traceback

from alembic import autogenerate
from alembic.runtime import migration
from glance.cmd import manage
from glance.db.sqlalchemy import models
from glance.db.sqlalchemy import models_metadef
import sqlalchemy


def run_manage(arguments, url):
    with tempfile.NamedTemporaryFile('w', suffix='.conf') as config:
        config.write('[database]\nconnection = %s\n' % url)
        config.flush()
        sys.argv = ['glance-manage', '--config-file', config.name, *arguments]
        manage.main()


def compare_with_models(url):
    """What Alembic would put into the next revision script, were one generated for this database."""
    metadata = sqlalchemy.MetaData()
    for base in (models.BASE, models_metadef.BASE_DICT):
        for table in base.metadata.sorted_tables:
            table.to_metadata(metadata)
    with sqlalchemy.create_engine(url).connect() as connection:
        context = migration.MigrationContext.configure(
            connection, opts={'compare_type': True, 'compare_server_default': True})
        for difference in autogenerate.compare_metadata(context, metadata):
            print(re.sub(r' at 0x[0-9a-f]+', '', repr(difference)))


def work(request):
    """As the interpreter ends: 0, the status of `sys.exit`, or 1 with the exception on stderr."""
    try:
        if 'manage' in request:
            run_manage(request['manage'], request['url'])
        else:
            compare_with_models(request['url'])
        return 0
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1


def answer(request):
    with tempfile.TemporaryFile('w+') as out, tempfile.TemporaryFile('w+') as err:
        child = os.fork()
        if child == 0:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            code = work(request)
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        status = os.waitpid(child, 0)[1]
        out.seek(0)
        err.seek(0)
        return {'code': os.waitstatus_to_exitcode(status), 'stdout': out.read(), 'stderr': err.read()}


# What is loaded stays shared with the forks: a collection would write to all of it.
gc.freeze()
for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
