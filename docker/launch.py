"""What the launcher of the Flex Template runs. Kept this short, because what is in __main__ does not reach the workers."""

from longtake.jobs.flex_template import main

if __name__ == "__main__":
    main()
