"""The shows of the theatre: a page that lists them and a form that announces one."""
