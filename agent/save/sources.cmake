# Also read by tests/save, which builds them again with planted defects.
set(AGENT_SAVE_SOURCES archive_read.c archive_write.c extract.c fetch.c grant.c ignore.c increment.c paths.c
        index.c job.c links.c merge.c pack.c parts.c place.c restore.c save.c sqlite_copy.c transfer.c
        walk.c)
set(AGENT_SAVE_USES agent_headers agent_profile ws_blob ws_snapshot ws_base)
set(AGENT_SAVE_PRIVATE ws_crypto dep::archive dep::curl dep::sqlite3 Threads::Threads)
