"""Prints Glance's revision scripts as JSON: {NAME: {"after": [the names that it comes after], "empty": whether it does nothing}}.

    script_graph.py FILE      a wheel or a source archive of Glance
    script_graph.py           the Glance that is installed beside this Python

The scripts are read, not run: those of a release newer than the one installed could not be imported.
"""

import ast
import importlib.util
import json
import pathlib
import re
import sys
import tarfile
import zipfile

VERSIONS = re.compile(r'(^|/)glance/db/sqlalchemy/alembic_migrations/versions/[^/_][^/]*\.py$')


def sources(archive):
    if archive is None:
        glance = pathlib.Path(importlib.util.find_spec('glance').submodule_search_locations[0])
        for path in (glance / 'db/sqlalchemy/alembic_migrations/versions').glob('[!_]*.py'):
            yield path.read_text()
    elif archive.endswith('.whl'):
        with zipfile.ZipFile(archive) as wheel:
            for name in filter(VERSIONS.search, wheel.namelist()):
                yield wheel.read(name).decode()
    else:
        with tarfile.open(archive) as source:
            for member in source.getmembers():
                if VERSIONS.search(member.name):
                    yield source.extractfile(member).read().decode()


def assignments(source):
    """The module's plain assignments, where each name may refer to one before it."""
    values = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                values[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                pass
    return values


def is_empty(source):
    """Whether `upgrade` is nothing but a word about itself and `pass`."""
    upgrade = next(node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef) and node.name == 'upgrade')
    return all(isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
               for node in upgrade.body)


def names(value):
    return [value] if isinstance(value, str) else list(value or [])


graph = {}
for text in sources(sys.argv[1] if len(sys.argv) > 1 else None):
    found = assignments(text)
    if 'revision' in found:
        graph[found['revision']] = {
            'after': names(found.get('down_revision')) + names(found.get('depends_on')),
            'empty': is_empty(text),
        }
print(json.dumps(graph, sort_keys=True))
